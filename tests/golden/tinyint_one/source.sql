-- The width says nothing: there are truths, and there are numbers.
CREATE TABLE switches (id INT PRIMARY KEY, truth TINYINT(1) NOT NULL, number TINYINT(1), flag BOOLEAN DEFAULT TRUE,
  level TINYINT(1) UNSIGNED DEFAULT 2);
INSERT INTO switches VALUES (1, 0, 2, TRUE, 255), (2, 1, 127, FALSE, 0), (3, 1, NULL, NULL, NULL), (4, 0, -1, 1, 3);
