CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.docs (
    id integer NOT NULL,
    doc json,
    name character varying(20)
);
CREATE TABLE public.others (
    id integer NOT NULL
);
ALTER TABLE ONLY public.docs
    ADD CONSTRAINT docs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.others
    ADD CONSTRAINT others_pkey PRIMARY KEY (id);
