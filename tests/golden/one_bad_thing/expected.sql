CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.good (
    id integer NOT NULL,
    v character varying(9)
);
CREATE TABLE public.odd (
    id integer NOT NULL,
    d date,
    v character varying(99),
    n integer DEFAULT 
CASE
    WHEN ('x'::text = ''::text) THEN 0
    ELSE get_byte(convert_to('x'::text, 'UTF8'::name), 0)
END
);
ALTER TABLE ONLY public.good
    ADD CONSTRAINT good_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.odd
    ADD CONSTRAINT odd_pkey PRIMARY KEY (id);
