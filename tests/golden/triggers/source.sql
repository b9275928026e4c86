CREATE TABLE goods (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20), price DECIMAL(9,2), slug VARCHAR(20));
CREATE TABLE history (id INT AUTO_INCREMENT PRIMARY KEY, good INT, what VARCHAR(20), old_price DECIMAL(9,2), new_price DECIMAL(9,2));
INSERT INTO goods VALUES (1, 'Apple', 1.5, 'apple'), (2, 'Pear', 2, 'pear');
DELIMITER //
CREATE TRIGGER slugs BEFORE INSERT ON goods FOR EACH ROW SET NEW.slug = LOWER(NEW.name)//
CREATE TRIGGER prices BEFORE UPDATE ON goods FOR EACH ROW
BEGIN
  IF NEW.price < 0 THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'too cheap';
  END IF;
END//
CREATE TRIGGER changes AFTER UPDATE ON goods FOR EACH ROW
BEGIN
  IF OLD.price <> NEW.price THEN
    INSERT INTO history (good, what, old_price, new_price) VALUES (NEW.id, 'changed', OLD.price, NEW.price);
  ELSEIF NEW.name IS NULL THEN
    INSERT INTO history (good, what) VALUES (NEW.id, 'unnamed');
  END IF;
END//
CREATE TRIGGER removals AFTER DELETE ON goods FOR EACH ROW INSERT INTO history (good, what, old_price) VALUES (OLD.id, 'removed', OLD.price)//
CREATE TRIGGER second AFTER DELETE ON goods FOR EACH ROW FOLLOWS removals SET @last = OLD.id//
DELIMITER ;
