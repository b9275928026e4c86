CREATE TABLE texts (
  id INT PRIMARY KEY, c CHAR(10), v VARCHAR(255), t0 TINYTEXT, t TEXT, t2 MEDIUMTEXT, t3 LONGTEXT, nothing CHAR(0), none VARCHAR(0)
);
INSERT INTO texts VALUES
  (1, '', '', '', '', '', '', '', ''), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (3, 'ends   ', 'ends   ', 'ends   ', 'ends   ', 'ends   ', 'ends   ', '', ''),
  (4, '  begins', '\t\n\r\\', '\\N', 'NULL', '''"`', '{a,"b"}', NULL, NULL),
  (5, '桜📷👩‍👩‍👧', 'naïve é é', '🇩🇪', REPEAT('é', 30000), REPEAT('x', 100000), REPEAT('桜', 50000), '', '');
