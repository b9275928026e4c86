CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.spans (
    id integer NOT NULL,
    t interval,
    t3 interval,
    t6 interval DEFAULT '-01:00:00.5'::interval NOT NULL
);
ALTER TABLE ONLY public.spans
    ADD CONSTRAINT spans_pkey PRIMARY KEY (id);
