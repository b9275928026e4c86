CREATE TABLE stock (
  id INT PRIMARY KEY, n INT CHECK (n >= 0), price DECIMAL(9,2), name VARCHAR(20), d DATE, until DATE, e ENUM('a', 'b'),
  CONSTRAINT priced CHECK (price > 0 OR n = 0), CONSTRAINT named CHECK (CHAR_LENGTH(name) BETWEEN 1 AND 10), CONSTRAINT dated CHECK (d < until),
  CONSTRAINT listed CHECK (name NOT IN ('it''s', 'back\\slash')), CONSTRAINT alike CHECK (name LIKE '%a%' OR name IS NULL),
  CONSTRAINT matched CHECK (name REGEXP '^[a-z]+$'), CONSTRAINT chosen CHECK (e <> 'b' OR n < 100), CONSTRAINT bits CHECK (n & 1 = 0 OR n < 50), CONSTRAINT years CHECK (YEAR(d) > 2000)
);
INSERT INTO stock VALUES (1, 0, 0, 'apple', '2024-01-01', '2024-01-02', 'a'), (2, 10, 1.5, 'banana', NULL, NULL, 'b'), (3, NULL, NULL, NULL, '2024-01-01', NULL, NULL);
