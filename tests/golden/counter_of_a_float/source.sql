-- MariaDB alone still counts in one.
CREATE TABLE floating (id DOUBLE AUTO_INCREMENT PRIMARY KEY, n INT);
INSERT INTO floating (n) VALUES (1), (2);
