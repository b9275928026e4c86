-- One default, one type and one row that have no way over must not keep the other tables away.
SET sql_mode = '';
CREATE TABLE good (id INT PRIMARY KEY, v VARCHAR(9));
INSERT INTO good VALUES (1, 'a'), (2, 'b');
CREATE TABLE odd (id INT PRIMARY KEY, d DATE NOT NULL DEFAULT '0000-00-00', v VARCHAR(99) DEFAULT (CONCAT(USER(), CONNECTION_ID())), n INT DEFAULT (ASCII('x')));
INSERT INTO odd (id) VALUES (1);
