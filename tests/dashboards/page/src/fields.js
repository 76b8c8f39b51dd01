// Grafana's field configuration, applied by its own code. The application registers the standard
// options and each panel its own; the packages come without, so the ones in use are registered here.
import {
  FieldConfigOptionsRegistry,
  applyFieldOverrides,
  cacheFieldDisplayNames,
  dataLinksOverrideProcessor,
  displayNameOverrideProcessor,
  identityOverrideProcessor,
  numberOverrideProcessor,
  standardFieldConfigEditorRegistry,
  standardTransformers,
  standardTransformersRegistry,
  thresholdsOverrideProcessor,
  unitOverrideProcessor,
  valueMappingsOverrideProcessor,
} from '@grafana/data';

const STANDARD = {
  color: identityOverrideProcessor,
  decimals: numberOverrideProcessor,
  displayName: displayNameOverrideProcessor,
  links: dataLinksOverrideProcessor,
  mappings: valueMappingsOverrideProcessor,
  max: numberOverrideProcessor,
  min: numberOverrideProcessor,
  noValue: identityOverrideProcessor,
  thresholds: thresholdsOverrideProcessor,
  unit: unitOverrideProcessor,
};

const TRANSFORMERS = [
  standardTransformers.filterFieldsByNameTransformer,
  standardTransformers.mergeTransformer,
  standardTransformers.organizeFieldsTransformer,
  standardTransformers.sortByTransformer,
];

export function register() {
  standardFieldConfigEditorRegistry.setInit(standardOptions);
  standardTransformersRegistry.setInit(() =>
    TRANSFORMERS.map((one) => ({ id: one.id, name: one.name, transformation: () => one }))
  );
}

export function withConfig(data, panel, theme) {
  const configured = applyFieldOverrides({
    data,
    fieldConfig: panel.fieldConfig,
    fieldConfigRegistry: registryOf(panel.fieldConfig),
    replaceVariables: (text) => text,
    theme,
    timeZone: 'utc',
  });
  cacheFieldDisplayNames(configured);
  return configured;
}

const standardOptions = () => Object.entries(STANDARD).map(([id, process]) => option(id, id, process));

function registryOf({ defaults = {}, overrides = [] }) {
  const own = new Set(Object.keys(defaults.custom ?? {}));
  for (const { id } of overrides.flatMap(({ properties }) => properties)) {
    if (id.startsWith('custom.')) {
      own.add(id.slice('custom.'.length));
    }
  }
  const registry = new FieldConfigOptionsRegistry(standardOptions);
  for (const path of own) {
    registry.register({ ...option(`custom.${path}`, path, identityOverrideProcessor), isCustom: true });
  }
  return registry;
}

const option = (id, path, process) => ({
  id,
  path,
  name: id,
  process,
  override: process,
  settings: {},
  shouldApply: () => true,
});
