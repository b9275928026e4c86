CREATE TABLE `Order` (
  `ID` INT AUTO_INCREMENT PRIMARY KEY, `select` INT, `User` VARCHAR(10), `with space` INT, `quo"te` INT, `it's` INT, `back``tick` INT,
  `per%cent%s` INT, `co:lon` INT, `question?` INT, `brace{d}` INT, `größe` INT, `$1` INT, `1st` INT, `a.b` INT, `dash-ed` INT,
  KEY `Key` (`select`), KEY `with space` (`with space`, `quo"te`)
);
INSERT INTO `Order` VALUES (1, 1, 'x', 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
CREATE TABLE `order` (id INT PRIMARY KEY, `Group` INT, CONSTRAINT `Refers to "it"` FOREIGN KEY (`Group`) REFERENCES `Order` (`ID`), CONSTRAINT `Is it?` CHECK (`Group` > 0));
INSERT INTO `order` VALUES (1, 1);
CREATE TABLE `dotted.name` (id INT PRIMARY KEY);
