CREATE TABLE names (name VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY, n INT);
INSERT INTO names VALUES ('a\0b', 1), ('ab', 2), ('c', 3), ('d\0', 4);
