CREATE TABLE notes (
  id INT NOT NULL, a INT, b VARCHAR(200), t TEXT, raw BLOB, d DATE, e ENUM('x', 'y'), PRIMARY KEY (id, a),
  KEY plain (a), KEY two (b, a), KEY other_way (a, b), KEY newest (d DESC), KEY mixed (a, d DESC, b(5)), KEY first_letters (t(20)),
  KEY first_bytes (raw(7)), UNIQUE KEY once (b), UNIQUE KEY once_short (t(3)), UNIQUE KEY once_bytes (raw(2)), UNIQUE KEY nulls (d, e),
  KEY again (a), KEY hashed (b) USING HASH
);
INSERT INTO notes VALUES (1, 1, 'one', 'first', 0x0102, '2024-01-01', 'x'), (2, 1, 'two', 'second', 0x0201, NULL, 'x'), (2, 2, NULL, NULL, NULL, NULL, 'x');
CREATE TABLE kept (id INT NOT NULL, a VARCHAR(10), PRIMARY KEY (id) USING HASH, KEY by_a (a) USING HASH) ENGINE = MEMORY;
INSERT INTO kept VALUES (1, 'a');
