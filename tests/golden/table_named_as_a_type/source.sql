-- In the target a table is a type too.
CREATE TABLE text (id INT PRIMARY KEY, `date` DATE, `text` TEXT, v VARCHAR(5));
INSERT INTO text VALUES (1, '2024-01-01', 'a', 'b');
CREATE TABLE `integer` (id INT PRIMARY KEY, `numeric` DECIMAL(5,2));
INSERT INTO `integer` VALUES (1, 1.5);
CREATE TABLE bytea (id INT PRIMARY KEY, b BLOB);
INSERT INTO bytea VALUES (1, 'x');
CREATE TABLE timestamp (id INT PRIMARY KEY, `interval` TIME, `timestamp` TIMESTAMP NULL);
INSERT INTO timestamp VALUES (1, '10:00:00', NULL);
