CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.days (
    id integer NOT NULL,
    d date,
    required date,
    moment timestamp(0) without time zone,
    fine timestamp(6) without time zone,
    instant timestamp(0) with time zone,
    kept date DEFAULT '2024-02-29'::date NOT NULL
);
ALTER TABLE ONLY public.days
    ADD CONSTRAINT days_pkey PRIMARY KEY (id);
CREATE INDEX by_day ON public.days USING btree (required);
