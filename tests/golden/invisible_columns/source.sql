CREATE TABLE secrets (id INT AUTO_INCREMENT PRIMARY KEY, open_ INT, hidden VARCHAR(9) INVISIBLE DEFAULT 'h', late INT);
INSERT INTO secrets (open_, hidden, late) VALUES (1, 'x', 2);
INSERT INTO secrets (open_) VALUES (3);
CREATE VIEW shown AS SELECT * FROM secrets;
