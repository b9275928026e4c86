CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.texts (
    id integer NOT NULL,
    c character varying(10),
    v character varying(255),
    t0 text,
    t text,
    t2 text,
    t3 text,
    nothing character varying(1),
    "none" character varying(1)
);
ALTER TABLE ONLY public.texts
    ADD CONSTRAINT texts_pkey PRIMARY KEY (id);
