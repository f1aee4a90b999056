"""Who drives where: supply by zone and hour, positions, and which trip has which driver. One instance, one database."""
