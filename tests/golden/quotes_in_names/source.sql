CREATE TABLE `table with "quotes" and 'more'` (`user` INT, `Ünïcödé 桜` INT);
INSERT INTO `table with "quotes" and 'more'` VALUES (1, 2);
