CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TYPE public.words_e_enum AS ENUM (
    'café',
    'naïve'
);
CREATE TABLE public.words (
    id integer NOT NULL,
    l character varying(40),
    l2 text,
    g character varying(40),
    k character varying(40),
    s character varying(40),
    w character varying(40),
    w2 character varying(40),
    w4 character varying(40),
    three character varying(40),
    a character varying(40),
    e public.words_e_enum,
    bin character varying(40)
);
ALTER TABLE ONLY public.words
    ADD CONSTRAINT words_pkey PRIMARY KEY (id);
