CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.daily (
    day date NOT NULL,
    item integer NOT NULL,
    n integer
);
CREATE TABLE public.once (
    id integer NOT NULL,
    day date
);
ALTER TABLE ONLY public.daily
    ADD CONSTRAINT daily_pkey PRIMARY KEY (day, item);
ALTER TABLE ONLY public.once
    ADD CONSTRAINT once_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX by_day ON public.once USING btree (day);
