CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TYPE public.choices_e_enum AS ENUM (
    'it''s',
    '"q"',
    '''',
    '`',
    'a,b',
    ')',
    '('
);
CREATE TABLE public.choices (
    id integer NOT NULL,
    e public.choices_e_enum DEFAULT 'it''s'::public.choices_e_enum NOT NULL,
    s text[],
    CONSTRAINT choices_s_check CHECK ((s <@ ARRAY['it''s'::text, '"'::text]))
);
ALTER TABLE ONLY public.choices
    ADD CONSTRAINT choices_pkey PRIMARY KEY (id);
