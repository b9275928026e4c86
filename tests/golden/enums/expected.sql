CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TYPE public.choices_odd_enum AS ENUM (
    'it''s',
    'a,b',
    'back\slash',
    '"q"',
    '',
    'größe'
);
CREATE TYPE public.choices_one_enum AS ENUM (
    'only'
);
CREATE TYPE public.choices_plain_enum AS ENUM (
    'b',
    'a',
    'c'
);
CREATE TYPE public.choices_spaced_enum AS ENUM (
    ' x',
    'Y',
    '%s',
    ':name',
    '{}',
    '$1'
);
CREATE TABLE public.choices (
    id integer NOT NULL,
    plain public.choices_plain_enum DEFAULT 'a'::public.choices_plain_enum NOT NULL,
    odd public.choices_odd_enum,
    spaced public.choices_spaced_enum,
    one public.choices_one_enum DEFAULT 'only'::public.choices_one_enum
);
ALTER TABLE ONLY public.choices
    ADD CONSTRAINT choices_pkey PRIMARY KEY (id);
CREATE INDEX by_choice ON public.choices USING btree (plain);
