CREATE TABLE words (
  id INT PRIMARY KEY, l VARCHAR(40) CHARACTER SET latin1, l2 TEXT CHARACTER SET latin1, g VARCHAR(40) CHARACTER SET gbk,
  k VARCHAR(40) CHARACTER SET koi8r, s VARCHAR(40) CHARACTER SET sjis, w VARCHAR(40) CHARACTER SET ucs2,
  w2 VARCHAR(40) CHARACTER SET utf16, w4 VARCHAR(40) CHARACTER SET utf32, three VARCHAR(40) CHARACTER SET utf8mb3,
  a VARCHAR(40) CHARACTER SET ascii, e ENUM('café', 'naïve') CHARACTER SET latin1, bin VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
) CHARACTER SET latin1;
INSERT INTO words VALUES
  (1, 'café € “quoted” – ’', 'Ünïcödé…', '摄像头', 'Вход', '桜', '桜', '📷', '📷', '桜', 'plain', 'café', '📷'),
  (2, 0x9293948081, 0xE9, 0xB0A1, 0xC1, 0x835C, '', '', '', '', '', 'naïve', ''),
  (3, CONVERT(CONVERT('é' USING utf8mb4) USING binary), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
