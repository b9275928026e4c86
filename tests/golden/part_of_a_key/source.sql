CREATE TABLE parents (a INT NOT NULL, b INT NOT NULL, n INT NOT NULL, PRIMARY KEY (a, b), KEY by_n (n));
INSERT INTO parents VALUES (1, 1, 5), (1, 2, 5);
/*!80400 SET restrict_fk_on_non_standard_key = OFF */;
CREATE TABLE children (id INT PRIMARY KEY, a INT, n INT, b INT, CONSTRAINT first_part FOREIGN KEY (a) REFERENCES parents (a), CONSTRAINT not_unique FOREIGN KEY (n) REFERENCES parents (n));
INSERT INTO children VALUES (1, 1, 5, 1);
CREATE TABLE swapped (id INT PRIMARY KEY, x INT, y INT, CONSTRAINT whole FOREIGN KEY (x, y) REFERENCES parents (a, b));
INSERT INTO swapped VALUES (1, 1, 2), (2, NULL, 9);
