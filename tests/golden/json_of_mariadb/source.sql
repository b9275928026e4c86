-- MariaDB alone takes these for JSON.
CREATE TABLE docs (id INT PRIMARY KEY, doc JSON, name VARCHAR(20));
INSERT INTO docs VALUES (1, '[1.]', 'a number'), (2, '{"a": 1}', 'good'), (3, '["\\x"]', 'an escape');
CREATE TABLE others (id INT PRIMARY KEY);
INSERT INTO others VALUES (1);
