CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TYPE public.goods_kind_enum AS ENUM (
    'a',
    'b'
);
CREATE TABLE public.goods (
    id integer NOT NULL,
    name character varying(20),
    price numeric(9,2),
    kind public.goods_kind_enum,
    made timestamp(0) without time zone,
    n integer,
    tag character varying(5)
);
CREATE VIEW public.cheap AS
 SELECT goods.id,
    goods.name
   FROM public.goods
  WHERE (goods.price < (1)::numeric);
CREATE VIEW public.chosen AS
 SELECT goods.id,
        CASE goods.kind
            WHEN 'a'::public.goods_kind_enum THEN 1
            ELSE 0
        END AS is_a,
    (goods.price * ((goods.n)::bigint)::numeric) AS worth,
    ((goods.n)::bigint / 2) AS half,
    round(((goods.n)::numeric / (2)::numeric), 4) AS exact_half,
    ((goods.n)::bigint % (2)::bigint) AS odd
   FROM public.goods;
CREATE VIEW public.counted AS
 SELECT goods.kind,
    count(0) AS how_many,
    sum((goods.n)::bigint) AS total,
    max(goods.price) AS dearest
   FROM public.goods
  GROUP BY goods.kind;
CREATE VIEW public.dates AS
 SELECT goods.id,
    (EXTRACT(year FROM goods.made))::integer AS y,
    to_char(goods.made, 'YYYY-MM-DD'::text) AS day,
    (goods.made + '1 mon'::interval) AS later,
    (goods.made)::date AS d,
    (((((goods.made)::date - '0001-01-01'::date) + 366))::bigint - ((('2024-01-01'::date - '0001-01-01'::date) + 366))::bigint) AS days
   FROM public.goods;
CREATE VIEW public.everything AS
 SELECT goods.id,
    goods.name,
    goods.price,
    goods.kind,
    goods.made,
    goods.n,
    goods.tag
   FROM public.goods;
CREATE VIEW public.first_two AS
 SELECT goods.id
   FROM public.goods
  ORDER BY goods.id NULLS FIRST
 LIMIT 2;
CREATE VIEW public.found AS
 SELECT goods.id
   FROM public.goods
  WHERE (((goods.name)::text ~~* 'A%'::text) OR (goods.id IN ( SELECT max(goods_1.id) AS max
           FROM public.goods goods_1)));
CREATE VIEW public.joined AS
 SELECT a.id AS "first id",
    (((a.name)::text || ' and '::text) || (b.name)::text) AS "Both Names"
   FROM (public.goods a
     JOIN public.goods b ON ((a.id < b.id)));
CREATE VIEW public.listed AS
 SELECT goods.kind,
    string_agg((goods.name)::text, ', '::text ORDER BY goods.id NULLS FIRST) AS names
   FROM public.goods
  GROUP BY goods.kind;
CREATE VIEW public.ranked AS
 SELECT goods.id,
    row_number() OVER (ORDER BY goods.id DESC NULLS LAST) AS place
   FROM public.goods;
CREATE VIEW public.same_name AS
 SELECT goods.id
   FROM public.goods
  WHERE ((goods.name)::text = 'APPLE'::text);
CREATE VIEW public.truths AS
 SELECT goods.id,
    ((goods.price > (1)::numeric))::integer AS dear,
    ((goods.n IS NULL))::integer AS unknown,
    ((0 = goods.n))::integer AS "none"
   FROM public.goods;
CREATE VIEW public.united AS
 SELECT goods.id,
    goods.name
   FROM public.goods
  WHERE (goods.id = 1)
UNION ALL
 SELECT goods.id,
    goods.tag AS name
   FROM public.goods
  WHERE (goods.tag IS NOT NULL);
CREATE VIEW public.words AS
 SELECT goods.id,
    upper((goods.name)::text) AS loud,
    COALESCE(goods.tag, '-'::character varying) AS tag,
        CASE
            WHEN (goods.n > 1) THEN 'many'::text
            ELSE 'few'::text
        END AS amount,
    octet_length((goods.name)::text) AS bytes,
    char_length((goods.name)::text) AS letters
   FROM public.goods;
ALTER TABLE ONLY public.goods
    ADD CONSTRAINT goods_pkey PRIMARY KEY (id);
