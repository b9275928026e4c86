CREATE TABLE nothing (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(5) NOT NULL DEFAULT '', t TEXT);
CREATE TABLE no_key (a INT, b DATE);
CREATE TABLE texts (id INT PRIMARY KEY, a VARCHAR(5), b TEXT, c CHAR(3), d VARBINARY(3), e BLOB);
INSERT INTO texts VALUES (1, '', '', '', '', ''), (2, NULL, NULL, NULL, NULL, NULL), (3, ' ', ' ', ' ', ' ', ' ');
