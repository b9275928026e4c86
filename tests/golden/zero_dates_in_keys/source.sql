SET sql_mode = '';
CREATE TABLE daily (day DATE NOT NULL, item INT NOT NULL, n INT, PRIMARY KEY (day, item));
INSERT INTO daily VALUES ('0000-00-00', 1, 1), ('2024-01-01', 1, 2);
CREATE TABLE once (id INT PRIMARY KEY, day DATE NOT NULL, UNIQUE KEY by_day (day));
INSERT INTO once VALUES (1, '0000-00-00'), (2, '2024-00-00'), (3, '2024-01-01');
