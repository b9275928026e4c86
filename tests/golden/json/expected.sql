CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.docs (
    id integer NOT NULL,
    doc json,
    required json NOT NULL,
    plain text,
    listed json DEFAULT '[]'::json
);
ALTER TABLE ONLY public.docs
    ADD CONSTRAINT docs_pkey PRIMARY KEY (id);
