-- Names that the product or the target might want for itself.
CREATE TABLE cutover_markers (id INT PRIMARY KEY, chunk INT);
INSERT INTO cutover_markers VALUES (1, 1);
CREATE TABLE cutover_rejects (id INT PRIMARY KEY);
INSERT INTO cutover_rejects VALUES (1);
CREATE TABLE pg_class (id INT PRIMARY KEY, relname VARCHAR(9));
INSERT INTO pg_class VALUES (1, 'x');
CREATE TABLE pg_thing (id INT PRIMARY KEY);
INSERT INTO pg_thing VALUES (1);
CREATE TABLE information_schema (id INT PRIMARY KEY);
INSERT INTO information_schema VALUES (1);
CREATE TABLE notes_pkey (id INT PRIMARY KEY);
CREATE TABLE notes (id INT AUTO_INCREMENT PRIMARY KEY);
INSERT INTO notes VALUES (1);
CREATE TABLE notes_id_seq (id INT PRIMARY KEY);
