-- MariaDB alone keeps a whole text unique, by a hash.
CREATE TABLE pages (id INT PRIMARY KEY, url TEXT, body LONGTEXT, raw BLOB, UNIQUE KEY by_url (url), UNIQUE KEY by_raw (raw));
INSERT INTO pages VALUES (1, 'http://a', 'a', 'x'), (2, REPEAT('u', 10000), 'b', REPEAT('y', 10000)), (3, NULL, NULL, NULL);
