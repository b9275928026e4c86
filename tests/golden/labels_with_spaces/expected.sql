CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TYPE public.choices_e_enum AS ENUM (
    ' a',
    'b',
    'C',
    'd  e'
);
CREATE TABLE public.choices (
    id integer NOT NULL,
    e public.choices_e_enum
);
ALTER TABLE ONLY public.choices
    ADD CONSTRAINT choices_pkey PRIMARY KEY (id);
