CREATE TABLE parents (id INT PRIMARY KEY, code INT AS (id + 100) STORED, UNIQUE KEY by_code (code));
INSERT INTO parents (id) VALUES (1), (2);
CREATE TABLE children (id INT PRIMARY KEY, code INT, CONSTRAINT children_code FOREIGN KEY (code) REFERENCES parents (code));
INSERT INTO children VALUES (1, 101), (2, NULL);
