CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.people (
    id integer NOT NULL,
    boss integer
);
ALTER TABLE ONLY public.people
    ADD CONSTRAINT people_pkey PRIMARY KEY (id);
CREATE INDEX people_boss ON public.people USING btree (boss);
ALTER TABLE ONLY public.people
    ADD CONSTRAINT people_boss FOREIGN KEY (boss) REFERENCES public.people(id);
