CREATE TABLE described (id INT PRIMARY KEY COMMENT 'the id', v VARCHAR(9) COMMENT 'it''s "quoted", %s :x \\ \n second line', n INT COMMENT '桜 📷', none INT COMMENT '') COMMENT 'a table, it''s said';
INSERT INTO described VALUES (1, 'a', 1, 1);
CREATE TABLE plain (id INT PRIMARY KEY, n INT, KEY by_n (n) COMMENT 'of an index') COMMENT = '';
INSERT INTO plain VALUES (1, 1);
