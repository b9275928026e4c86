-- MariaDB's own catalogue holds no character of four bytes: it says '?' of such a label.
CREATE TABLE choices (id INT PRIMARY KEY, e ENUM('📷', 'b') DEFAULT '📷', v VARCHAR(5) DEFAULT '📷');
INSERT INTO choices VALUES (1, '📷', '📷'), (2, 'b', '');
