SET foreign_key_checks = 0;
CREATE TABLE parents (code VARCHAR(5) PRIMARY KEY);
CREATE TABLE children (id INT PRIMARY KEY, code VARCHAR(40), CONSTRAINT children_code FOREIGN KEY (code) REFERENCES parents (code));
INSERT INTO parents VALUES ('a');
INSERT INTO children VALUES (1, 'a'), (2, 'longer than five'), (3, NULL);
