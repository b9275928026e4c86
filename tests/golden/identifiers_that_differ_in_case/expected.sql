CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public."ITEM" (
    id integer NOT NULL,
    n integer
);
CREATE TABLE public."Item" (
    id integer NOT NULL,
    n integer
);
CREATE TABLE public.item (
    id integer NOT NULL,
    n integer
);
ALTER TABLE ONLY public."ITEM"
    ADD CONSTRAINT "ITEM_pkey" PRIMARY KEY (id);
ALTER TABLE ONLY public."Item"
    ADD CONSTRAINT "Item_pkey" PRIMARY KEY (id);
ALTER TABLE ONLY public.item
    ADD CONSTRAINT item_pkey PRIMARY KEY (id);
CREATE INDEX "BY_ID_N" ON public."Item" USING btree (id, n);
CREATE INDEX "By_N" ON public."ITEM" USING btree (n);
CREATE INDEX by_n ON public."Item" USING btree (n);
CREATE INDEX item_by_n ON public.item USING btree (n);
