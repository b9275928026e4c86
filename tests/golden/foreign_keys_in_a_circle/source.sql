SET foreign_key_checks = 0;
CREATE TABLE staff (id INT PRIMARY KEY, shop INT NOT NULL, boss INT, CONSTRAINT staff_shop FOREIGN KEY (shop) REFERENCES shops (id), CONSTRAINT staff_boss FOREIGN KEY (boss) REFERENCES staff (id));
CREATE TABLE shops (id INT PRIMARY KEY, manager INT NOT NULL, CONSTRAINT shops_manager FOREIGN KEY (manager) REFERENCES staff (id));
INSERT INTO staff VALUES (1, 1, NULL), (2, 2, 1), (3, 1, 3);
INSERT INTO shops VALUES (1, 2), (2, 1);
