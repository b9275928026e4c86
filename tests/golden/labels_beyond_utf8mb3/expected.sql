CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.choices (
    id integer NOT NULL,
    e text DEFAULT '📷'::text,
    v character varying(5) DEFAULT '📷'::character varying
);
ALTER TABLE ONLY public.choices
    ADD CONSTRAINT choices_pkey PRIMARY KEY (id);
