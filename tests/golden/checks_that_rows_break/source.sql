CREATE TABLE stock (id INT PRIMARY KEY, n INT, size VARCHAR(9), CONSTRAINT positive CHECK (n > 0), CONSTRAINT sized CHECK (size IN ('s', 'm')), CONSTRAINT small CHECK (n < 100));
INSERT INTO stock VALUES (1, 1, 'S'), (2, 2, 'm ');
/*M! SET check_constraint_checks = 0 */;
/*M! INSERT INTO stock VALUES (3, -1, 's') */;
