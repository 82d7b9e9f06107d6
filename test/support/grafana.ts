/** Grafana's own types for a dashboard in plain JSON: strings replace their enumerations. */
import type { Dashboard, Panel, RowPanel } from "@grafana/schema";
import type {
  FieldConfig,
  Options as TimeSeriesOptions,
} from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";
import type { Options as StatOptions } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";

type Plain<T> = T extends string ? `${T}` : T extends object ? { [Key in keyof T]: Plain<T[Key]> } : T;

type OfKind<Kind extends string, Options, Custom> = Omit<Plain<Panel>, "type" | "options" | "fieldConfig"> & {
  readonly type: Kind;
  readonly options: Plain<Options>;
  readonly fieldConfig: {
    readonly defaults: Omit<Plain<NonNullable<Panel["fieldConfig"]>["defaults"]>, "custom"> & {
      readonly custom?: Plain<Custom>;
    };
    readonly overrides: readonly [];
  };
};

export type Checked = Omit<Plain<Dashboard>, "panels"> & {
  readonly panels: readonly (
    OfKind<"timeseries", TimeSeriesOptions, FieldConfig> | OfKind<"stat", StatOptions, never> | Plain<RowPanel>
  )[];
};
