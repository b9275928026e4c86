CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TYPE public.choices_e_enum AS ENUM (
    'back\slash',
    'two\\',
    '\n',
    'tab	x',
    'line
x'
);
CREATE TABLE public.choices (
    id integer NOT NULL,
    e public.choices_e_enum DEFAULT 'back\slash'::public.choices_e_enum NOT NULL,
    s text[],
    CONSTRAINT choices_s_check CHECK ((s <@ ARRAY['a\b'::text, 'c'::text]))
);
ALTER TABLE ONLY public.choices
    ADD CONSTRAINT choices_pkey PRIMARY KEY (id);
