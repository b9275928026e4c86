-- A row of which nothing is given, and a table of a single counting column.
CREATE TABLE only_id (id INT AUTO_INCREMENT PRIMARY KEY);
INSERT INTO only_id VALUES (), (), ();
CREATE TABLE only_null (n INT);
INSERT INTO only_null VALUES (NULL), (NULL);
