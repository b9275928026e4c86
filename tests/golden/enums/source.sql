CREATE TABLE choices (
  id INT PRIMARY KEY, plain ENUM('b', 'a', 'c') NOT NULL DEFAULT 'a', odd ENUM('it''s', 'a,b', 'back\\slash', '"q"', '', 'größe'),
  spaced ENUM(' x', 'Y', '%s', ':name', '{}', '$1'), one ENUM('only') DEFAULT 'only', KEY by_choice (plain)
);
INSERT INTO choices VALUES (1, 'b', 'it''s', ' x', 'only'), (2, 'a', 'a,b', 'Y', NULL), (3, 'c', 'back\\slash', '%s', 'only'),
  (4, 'b', '"q"', ':name', 'only'), (5, 'a', '', '{}', 'only'), (6, 'a', 'größe', '$1', 'only'), (8, 'c', NULL, NULL, 'only');
