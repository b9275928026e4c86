CREATE TABLE docs (id INT PRIMARY KEY, doc JSON, required JSON NOT NULL, plain LONGTEXT, listed JSON DEFAULT ('[]'));
INSERT INTO docs VALUES (1, '{"b": 1, "a": [1, 2.50, "é\\u0000", true, null]}', '[]', '{"no": "json"}', '[1]'),
  (2, 'null', '"text"', 'not json', NULL), (3, NULL, '12345678901234567890.123456789', NULL, '{}'), (4, '{"a": 1, "a": 2}', '{"📷": "\\ud83d\\udcf7"}', '', '[[[]]]');
/*M! INSERT INTO docs VALUES (5, '1e400', '-0.0', '', 'true') */;
