CREATE TABLE exact (name VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY, n INT);
INSERT INTO exact VALUES ('a', 1), ('A', 2), ('ä', 3);
CREATE TABLE folded (name VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY, n INT);
INSERT INTO folded VALUES ('a', 1), ('B', 2), ('c ', 3);
/*M! CREATE TABLE no_pad (name VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin PRIMARY KEY, n INT) */;
/*M! INSERT INTO no_pad VALUES ('a', 1), ('a ', 2), ('a  ', 3) */;
CREATE TABLE mixed (id INT PRIMARY KEY, a VARCHAR(9) COLLATE utf8mb4_bin, b VARCHAR(9) COLLATE utf8mb4_unicode_ci, UNIQUE KEY by_a (a), UNIQUE KEY by_b (b)) CHARACTER SET utf8mb4;
INSERT INTO mixed VALUES (1, 'x', 'x'), (2, 'X', 'y'), (3, NULL, NULL), (4, NULL, NULL);
