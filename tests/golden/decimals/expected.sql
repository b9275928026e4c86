CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.sums (
    id integer NOT NULL,
    widest numeric(65,30),
    whole numeric(65,0),
    money numeric(10,2),
    plain numeric(10,0),
    deep numeric(30,30),
    filled numeric(8,3)
);
ALTER TABLE ONLY public.sums
    ADD CONSTRAINT sums_pkey PRIMARY KEY (id);
