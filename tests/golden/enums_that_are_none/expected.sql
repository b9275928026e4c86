CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TYPE public.choices_e_enum AS ENUM (
    'a',
    'b',
    ''
);
CREATE TABLE public.choices (
    id integer NOT NULL,
    e public.choices_e_enum NOT NULL,
    s text[],
    CONSTRAINT choices_s_check CHECK ((s <@ ARRAY['x'::text, 'y'::text]))
);
ALTER TABLE ONLY public.choices
    ADD CONSTRAINT choices_pkey PRIMARY KEY (id);
