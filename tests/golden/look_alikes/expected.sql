CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.keyed (
    id integer NOT NULL,
    v character varying(10),
    n numeric(5,2)
);
CREATE TABLE public.pairs (
    a character varying(10),
    b character varying(10),
    c character varying(10)
);
ALTER TABLE ONLY public.keyed
    ADD CONSTRAINT keyed_pkey PRIMARY KEY (id);
