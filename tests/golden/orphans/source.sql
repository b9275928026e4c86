SET foreign_key_checks = 0;
CREATE TABLE parents (id INT PRIMARY KEY);
CREATE TABLE children (id INT PRIMARY KEY, parent INT, CONSTRAINT children_parent FOREIGN KEY (parent) REFERENCES parents (id));
CREATE TABLE grandchildren (id INT PRIMARY KEY, child INT, CONSTRAINT grandchildren_child FOREIGN KEY (child) REFERENCES children (id) ON DELETE CASCADE);
INSERT INTO parents VALUES (1);
INSERT INTO children VALUES (1, 1), (2, 99), (3, NULL), (4, 98);
INSERT INTO grandchildren VALUES (1, 1), (2, 2), (3, 77);
