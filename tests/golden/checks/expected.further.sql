CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TYPE public.stock_e_enum AS ENUM (
    'a',
    'b'
);
CREATE TABLE public.stock (
    id integer NOT NULL,
    n integer,
    price numeric(9,2),
    name character varying(20),
    d date,
    until date,
    e public.stock_e_enum,
    CONSTRAINT alike CHECK ((((name)::text ~~* '%a%'::text) OR (name IS NULL))),
    CONSTRAINT bits CHECK (((((n)::bigint & (1)::bigint) = 0) OR (n < 50))),
    CONSTRAINT chosen CHECK (((e <> 'b'::public.stock_e_enum) OR (n < 100))),
    CONSTRAINT dated CHECK ((d < until)),
    CONSTRAINT listed CHECK (((name)::text <> ALL ((ARRAY['it''s'::character varying, 'back\slash'::character varying])::text[]))),
    CONSTRAINT matched CHECK (((name)::text ~* '^[a-z]+$'::text)),
    CONSTRAINT named CHECK (((char_length((name)::text) >= 1) AND (char_length((name)::text) <= 10))),
    CONSTRAINT priced CHECK (((price > (0)::numeric) OR (n = 0))),
    CONSTRAINT stock_chk_1 CHECK ((n >= 0)),
    CONSTRAINT years CHECK (((EXTRACT(year FROM d))::integer > 2000))
);
ALTER TABLE ONLY public.stock
    ADD CONSTRAINT stock_pkey PRIMARY KEY (id);
