SET foreign_key_checks = 0;
CREATE TABLE parents (id INT PRIMARY KEY);
CREATE TABLE loose (parent INT, note VARCHAR(9), CONSTRAINT loose_parent FOREIGN KEY (parent) REFERENCES parents (id));
CREATE TABLE missing_parent (id INT PRIMARY KEY, other INT, CONSTRAINT to_nowhere FOREIGN KEY (other) REFERENCES nowhere (id));
INSERT INTO parents VALUES (1);
INSERT INTO loose VALUES (1, 'a'), (2, 'b'), (2, 'b');
INSERT INTO missing_parent VALUES (1, 5);
