-- MariaDB alone keeps the history of rows.
CREATE TABLE prices (id INT PRIMARY KEY, price DECIMAL(9,2)) WITH SYSTEM VERSIONING;
INSERT INTO prices VALUES (1, 1.5), (2, 2.5);
UPDATE prices SET price = 3 WHERE id = 1;
CREATE TABLE plain (id INT PRIMARY KEY);
INSERT INTO plain VALUES (1);
