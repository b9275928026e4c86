CREATE TABLE pages (id INT PRIMARY KEY, title VARCHAR(100), body TEXT, code CHAR(3), FULLTEXT KEY words (title, body), FULLTEXT KEY titles (title), FULLTEXT KEY codes (code));
INSERT INTO pages VALUES (1, 'On trains', 'They run.', 'abc'), (2, NULL, NULL, NULL);
